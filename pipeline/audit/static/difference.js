// The difference of two pictures, for the gallery and the review app.

const CONTRAST = 50; // standard deviation that each picture is brought to, in levels
const LEAST_CONTRAST = 4; // below it a picture is flat, and its noise must not be amplified
const GAIN = 4;

// Draws on the canvas how two loaded images differ, after the brightness and contrast of each were made equal, and
// after the left one was mirrored if it is a mirrored copy.
export function drawDifference(canvas, left, right, mirrored = false) {
  const [width, height] = [right.naturalWidth, right.naturalHeight];
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const [a, b] = [left, right].map((image) => {
    context.clearRect(0, 0, width, height);
    if (mirrored && image === left) context.setTransform(-1, 0, 0, 1, width, 0);
    else context.resetTransform();
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  });
  context.putImageData(new ImageData(difference(a, b), width, height), 0, 0);
}

// a, b: RGBA values of equally many pixels. Each colour channel is normalised, so that a tint does not count either.
export function difference(a, b) {
  const result = new Uint8ClampedArray(a.length).fill(255);
  for (let channel = 0; channel < 3; channel++) {
    const [first, second] = [normalised(a, channel), normalised(b, channel)];
    for (let i = 0; i < first.length; i++) result[4 * i + channel] = GAIN * Math.abs(first[i] - second[i]);
  }
  return result;
}

// The values of a channel, shifted to mean 0 and scaled to the standard deviation CONTRAST.
function normalised(pixels, channel) {
  const values = Float32Array.from({ length: pixels.length / 4 }, (_, i) => pixels[4 * i + channel]);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const scale = CONTRAST / Math.max(Math.sqrt(variance), LEAST_CONTRAST);
  return values.map((value) => (value - mean) * scale);
}

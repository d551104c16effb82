"""Texture classes drawn with outlines, one function per class: tilings, scattered objects, small scenes.

Sizes are shares of the picture's short side, and large enough to remain visible at 32×32 pixels.
"""

import math

from pipeline.miniature.brush import Brush, ring_of
from pipeline.miniature.palette import between, chance, hsv, pick
from pipeline.miniature.perspective import mix, shade


def checks(brush: Brush) -> None:
    brush.turn_anyhow()
    brush.ground()
    step = between(brush.rng, 0.12, 0.3)
    for column, row, x, y in brush.cells(step, step):
        if (column + row) % 2:
            brush.shape([(x, y), (x + step, y), (x + step, y + step), (x, y + step)], brush.colours[1])


def dots(brush: Brush) -> None:
    brush.turn_anyhow()
    brush.ground()
    step = between(brush.rng, 0.16, 0.34)
    radius = step * between(brush.rng, 0.24, 0.4)
    several = chance(brush.rng, 0.4)
    for column, row, x, y in brush.cells(step, step):
        colour = brush.colours[1 + (column + 2 * row) % 3] if several else brush.colours[1]
        brush.disc((x + step / 2 * (row % 2), y), radius, colour)


def bricks(brush: Brush) -> None:
    brush.turn(between(brush.rng, -0.3, 0.3))
    brush.ground(mix(brush.colours[1], (190, 186, 180), 0.6))
    base = hsv(between(brush.rng, 0.0, 0.09), between(brush.rng, 0.3, 0.75), between(brush.rng, 0.4, 0.85))
    tall = between(brush.rng, 0.1, 0.2)
    wide, joint = tall * between(brush.rng, 1.8, 2.6), tall * between(brush.rng, 0.12, 0.2)
    for _, row, x, y in brush.cells(wide, tall):
        left = x + wide / 2 * (row % 2)
        outline = [
            (left, y),
            (left + wide - joint, y),
            (left + wide - joint, y + tall - joint),
            (left, y + tall - joint),
        ]
        brush.shape(outline, shade(base, between(brush.rng, 78, 118)))


def stars(brush: Brush) -> None:
    brush.ground()
    points = pick(brush.rng, (4, 5, 5, 6, 8))
    largest = between(brush.rng, 0.16, 0.4)
    for place, middle in enumerate(brush.scattered(pick(brush.rng, (4, 6, 9, 14)))):
        radius = largest * between(brush.rng, 0.5, 1.0)
        outline = ring_of(2 * points, (radius, radius * 0.42), middle, between(brush.rng, 0, 1))
        brush.shape(outline, brush.colours[1 + place % pick(brush.rng, (1, 2, 3))])


def leaves(brush: Brush) -> None:
    brush.ground(hsv(between(brush.rng, 0.05, 0.45), between(brush.rng, 0.1, 0.7), between(brush.rng, 0.15, 0.9)))
    season = pick(brush.rng, (0.3, 0.3, 0.22, 0.1, 0.03))
    for middle in brush.scattered(pick(brush.rng, (9, 14, 22))):
        brush.turn_anyhow()
        # The position is needed before the rotation, so it is rotated back first.
        x = middle[0] * brush.cosine + middle[1] * brush.sine
        y = middle[1] * brush.cosine - middle[0] * brush.sine
        long, wide = between(brush.rng, 0.2, 0.42), between(brush.rng, 0.28, 0.42)
        hue = season + between(brush.rng, -0.04, 0.06)
        colour = hsv(hue, between(brush.rng, 0.5, 0.9), between(brush.rng, 0.35, 0.9))
        half = [(0.0, 0.0), (0.2, 0.6), (0.45, 1.0), (0.75, 0.6), (1.0, 0.0)]
        for side, level in ((1, 100), (-1, 76)):
            outline = [(x + long * (a - 0.5), y + side * long * wide * 0.5 * b) for a, b in half]
            brush.shape(outline, shade(colour, level))
        brush.shape([(x - long * 0.7, y - 0.008), (x + long * 0.4, y), (x - long * 0.7, y + 0.008)], shade(colour, 60))


def ball(brush: Brush) -> None:
    x, y = brush.half
    bands = 28
    for band in range(bands):  # a backdrop from one colour to another
        top = -y + 2 * y * band / bands
        brush.shape([(-x, top), (x, top), (x, y), (-x, y)], mix(brush.colours[0], brush.colours[1], band / bands))
    radius = between(brush.rng, 0.2, 0.4)
    middle = (between(brush.rng, -0.25, 0.25) * x * 2, between(brush.rng, -0.1, 0.2))
    around = ring_of(24, (1.0,))
    floor = middle[1] + radius * 0.92
    brush.shape(
        [(middle[0] + a * radius * 1.1, floor + b * radius * 0.22) for a, b in around], shade(brush.colours[1], 45)
    )
    brush.sphere(middle, radius, brush.colours[2])


def blocks(brush: Brush) -> None:
    brush.ground()
    side = between(brush.rng, 0.14, 0.26)
    wide, tall = side * 0.866, side * 0.5
    brush.turn(pick(brush.rng, (0.0, 0.0, math.pi, between(brush.rng, -0.3, 0.3))))
    base = brush.colours[2]
    for _, row, x, y in brush.cells(2 * wide, side + tall):
        a = x + wide * (row % 2)
        top = [(a, y - side), (a + wide, y - side + tall), (a, y), (a - wide, y - side + tall)]
        left = [(a - wide, y - side + tall), (a, y), (a, y + side), (a - wide, y + tall)]
        right = [(a + wide, y - side + tall), (a, y), (a, y + side), (a + wide, y + tall)]
        for outline, level in ((top, 125), (left, 88), (right, 50)):
            brush.shape(outline, shade(base, level))


def marbles(brush: Brush) -> None:
    brush.ground()
    largest = between(brush.rng, 0.13, 0.26)
    for place, middle in enumerate(brush.scattered(pick(brush.rng, (7, 12, 20)))):
        radius = largest * between(brush.rng, 0.7, 1.0)
        brush.disc((middle[0] + radius * 0.15, middle[1] + radius * 0.2), radius, shade(brush.colours[0], 55))
        brush.sphere(middle, radius, brush.colours[1 + place % 3])


def hexagons(brush: Brush) -> None:
    brush.turn_anyhow()
    brush.ground()
    size = between(brush.rng, 0.11, 0.22)
    inner = size * between(brush.rng, 0.78, 0.93)
    honey = chance(brush.rng, 0.4)
    for _, row, x, y in brush.cells(size * 1.732, size * 1.5):
        middle = (x + size * 0.866 * (row % 2), y)
        colour = shade(brush.colours[1], between(brush.rng, 70, 115)) if honey else pick(brush.rng, brush.colours[1:])
        brush.shape(ring_of(6, (inner,), middle, math.tau / 12), colour)


def zigzag(brush: Brush) -> None:
    brush.turn_anyhow()
    brush.ground()
    wide, tall = between(brush.rng, 0.14, 0.3), between(brush.rng, 0.14, 0.28)
    high = wide * between(brush.rng, 0.4, 0.8)
    columns = int(brush.reach / wide) + 2
    for row in range(-int(brush.reach / tall) - 3, int(brush.reach / tall) + 4):
        line = [(column * wide, row * tall + high * (column % 2)) for column in range(-columns, columns + 1)]
        below = [(x, y + tall * 0.5) for x, y in reversed(line)]
        brush.shape([*line, *below], brush.colours[1 + row % 2])


def flowers(brush: Brush) -> None:
    brush.ground(shade(hsv(between(brush.rng, 0.22, 0.42), 0.5, 0.6), between(brush.rng, 50, 120)))
    petals = pick(brush.rng, (5, 6, 8))
    largest = between(brush.rng, 0.17, 0.4)
    alone = [(between(brush.rng, -0.2, 0.2), between(brush.rng, -0.2, 0.2))]
    spots = alone if chance(brush.rng, 0.2) else brush.scattered(pick(brush.rng, (5, 7, 11)))
    largest = 0.45 if len(spots) == 1 else largest
    hue = float(brush.rng.random())
    for middle in spots:
        radius = largest * between(brush.rng, 0.65, 1.0)
        colour = hsv(hue + between(brush.rng, -0.06, 0.06), between(brush.rng, 0.2, 0.8), between(brush.rng, 0.75, 1.0))
        start = between(brush.rng, 0, 1)
        for size, level in ((0.36, 74), (0.3, 100)):
            for tip in ring_of(petals, (radius * 0.62,), middle, start):
                brush.disc(tip, radius * size, shade(colour, level))
        brush.disc(middle, radius * 0.32, hsv(between(brush.rng, 0.09, 0.15), 0.8, 0.95))


def rays(brush: Brush) -> None:
    brush.turn_anyhow()
    brush.ground()
    middle = (between(brush.rng, -0.3, 0.3), between(brush.rng, -0.3, 0.3))
    count = pick(brush.rng, (7, 9, 12, 16))
    rim = ring_of(2 * count, (3.0,), middle)
    for place in range(count):
        brush.shape([middle, rim[2 * place], rim[2 * place + 1]], brush.colours[1])
    if chance(brush.rng, 0.7):
        brush.disc(middle, between(brush.rng, 0.1, 0.24), brush.colours[2])


def mountains(brush: Brush) -> None:
    rng, (x, y) = brush.rng, brush.half
    sky = hsv(between(rng, 0.5, 0.72) if chance(rng, 0.6) else between(rng, 0.0, 0.12), between(rng, 0.1, 0.7), 0.95)
    if chance(rng, 0.35):
        sky = shade(sky, between(rng, 20, 45))  # night
    brush.ground(sky)
    brush.disc((between(rng, -x, x), between(rng, -0.9, -0.2) * y), between(rng, 0.05, 0.16), (255, 246, 214))
    land = hsv(float(rng.random()), between(rng, 0.2, 0.6), between(rng, 0.2, 0.85))
    layers = pick(rng, (1, 2, 3, 4))
    horizon = between(rng, -0.3, 0.6)
    snow = chance(rng, 0.4)
    for layer in range(layers):
        level = (horizon + (1 - horizon) * layer / layers) * y
        colour = mix(land, sky, 0.65 * (1 - (layer + 1) / layers))
        for _ in range(pick(rng, (1, 2, 3, 4))):
            top = (between(rng, -x, x), level - between(rng, 0.15, 0.75))
            left, right = top[0] - between(rng, 0.25, 0.8), top[0] + between(rng, 0.25, 0.8)
            brush.shape([(left, level + 0.01), top, (right, level + 0.01)], colour)
            brush.shape([top, (right, level + 0.01), (top[0] * 0.7 + right * 0.3, level + 0.01)], shade(colour, 72))
            if snow:
                a, b = (top[0] + (foot - top[0]) * 0.25 for foot in (left, right))
                rim = top[1] + (level - top[1]) * 0.25
                brush.shape([top, (b, rim), (top[0], rim - 0.03), (a, rim)], (240, 244, 250))
        brush.shape([(-x, level), (x, level), (x, y), (-x, y)], shade(colour, 90))
    if chance(rng, 0.3):  # a lake
        shore = between(rng, 0.5, 0.85) * y
        brush.shape([(-x, shore), (x, shore), (x, y), (-x, y)], mix(sky, (70, 120, 150), 0.4))


def scales(brush: Brush) -> None:
    brush.turn(pick(brush.rng, (0.0, math.pi, between(brush.rng, 0, math.tau))))
    brush.ground()
    radius = between(brush.rng, 0.11, 0.2)
    for column, row, x, y in brush.cells(2 * radius, radius):
        middle = (x + radius * (row % 2), -y)
        colour = mix(brush.colours[1], brush.colours[2], (column * 3 + row * 5) % 7 / 6)
        for share, level in ((1.0, 55), (0.86, 100), (0.45, 125)):
            brush.disc(middle, radius * share, shade(colour, level))


def city(brush: Brush) -> None:
    x, y = brush.half
    night = chance(brush.rng, 0.5)
    sky = hsv(between(brush.rng, 0.55, 0.75), between(brush.rng, 0.3, 0.7), 0.25 if night else 0.95)
    brush.ground(sky)
    pane = hsv(between(brush.rng, 0.1, 0.16), 0.6, 1.0) if night else shade(sky, 60)
    for layer in range(2):
        left = -x
        while left < x:
            wide, top = between(brush.rng, 0.16, 0.34), between(brush.rng, -0.75, 0.15 + 0.2 * layer) * y
            wall = shade(brush.colours[1 + layer], between(brush.rng, 30, 55) if night else between(brush.rng, 75, 110))
            brush.shape([(left, top), (left + wide, top), (left + wide, y), (left, y)], wall)
            step = between(brush.rng, 0.07, 0.1)
            for row in range(int((y - top) / step)):
                for column in range(int(wide / step)):
                    if chance(brush.rng, 0.6):
                        a, b = left + step * (column + 0.35), top + step * (row + 0.35)
                        brush.shape([(a, b), (a + step / 2, b), (a + step / 2, b + step / 2), (a, b + step / 2)], pane)
            left += wide + between(brush.rng, 0.0, 0.06)

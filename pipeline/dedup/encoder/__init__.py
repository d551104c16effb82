"""The denoising autoencoder and the 128-bit codes that its encoder computes."""

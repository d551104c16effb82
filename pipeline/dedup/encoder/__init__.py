"""The denoising autoencoder and the 128-bit codes that it gives."""

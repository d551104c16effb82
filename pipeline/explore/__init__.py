"""The paper's looks into the latent space."""

"""The DCGAN: networks, training, saved models and samples."""

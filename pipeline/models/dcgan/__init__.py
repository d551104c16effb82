"""The DCGAN: model, training, saved models and samples."""

"""A VAE of which a rule asks that every latent carries half a nat (README.md)."""

"""aliad: a peer-to-peer node for crypto-incentivised training of translation models."""

__version__ = "0.1.0"

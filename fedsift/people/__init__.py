"""Fictitious people in TOFU's shape, and a small language model that knows how to talk about such people.

Both need no network: the people are generated, the model lies in `model/` and was made by `pretrain`.
"""

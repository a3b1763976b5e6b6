"""Adapt a stack whose neurites are flatter or thicker than those that the network was trained on."""

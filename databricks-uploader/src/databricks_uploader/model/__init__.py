"""Frozen values and pure rules: what the protocol is about, without any way to do it."""

"""Corpora: readers of published layouts, and small made ones in those layouts.

Nothing in this package imports torch or ESPnet.
"""

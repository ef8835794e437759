"""Engines that decode the same work; a contender is ``<engine>:<variant>``.

| engine | is |
| --- | --- |
| ``ours`` | our decoder, CTC scorer and search |
| ``espnet`` | ESPnet's search and CTC scorer; around its own decoder when no variant is named, else around ours |
| ``tiled`` | our modules with the authors' cache handling, in our search |
| ``authors`` | the authors' attention module (PyPI ``mtla``) in the same layers, in our search |
"""

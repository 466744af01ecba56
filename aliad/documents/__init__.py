"""Documents read into sentences and written back: only the sentences change.

A format's reader cuts the file into what stays as it is and blocks of text; everything else
(sentences, what is not to be translated, where inline markup goes) is the same for all formats.
The files' bytes are kept and spliced, never regenerated: what has no translation, or the same
text as its translation, stays byte for byte.
"""

"""A sample corpus English-German, generated from a small bilingual grammar.

Every sentence is drawn as a meaning (who does what, when, where) and spoken in both languages.
``lexicon`` and ``verbs`` hold the words, ``phrases`` and ``numerals`` inflect them, ``german`` and
``english`` order a ``clause``; ``draw`` makes the choices; ``actions``, ``descriptions`` and
``compounds`` are the kinds of ``sentences``; ``corpus`` collects distinct pairs and splits them.
Nothing is downloaded, nothing is copied.
"""

"""A sample corpus English-German, generated from a small bilingual grammar.

Every sentence is drawn as a meaning (who does what, when, where) and spoken in both languages:
``lexicon`` holds the words, ``german`` and ``english`` inflect and order them, ``meaning`` draws,
``corpus`` collects distinct pairs and splits them. Nothing is downloaded, nothing is copied.
"""

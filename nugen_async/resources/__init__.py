"""One module per noun: its records, lifecycle, routes and verbs. Nouns do not import each other."""

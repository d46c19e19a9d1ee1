"""The nouns of the Nugen Intelligence API, one room each: rows, rules, routes."""

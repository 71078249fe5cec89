"""A strategy that trades nothing: the instance listens, keeps books and records."""

"""The history of the truth's schema, one revision a file in `versions`; `db.schema` applies them."""

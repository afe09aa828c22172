"""How well the product's own pipeline ranks on data in the import format."""

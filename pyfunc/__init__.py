"""What ships inside every model: the schema, its enforcement, and how rows become scores."""

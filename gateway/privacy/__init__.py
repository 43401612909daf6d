"""What a visitor may choose about analytics and sharing."""

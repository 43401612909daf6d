"""What a request's sender is: kind, brand, model, system and app. Descriptive only, never a credential."""

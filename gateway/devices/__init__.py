"""What an account is signed in on: device rows, their names, and the page that manages them."""

"""What people see: the page frame, the style sheet, the icons and the words; knows no store and no session."""

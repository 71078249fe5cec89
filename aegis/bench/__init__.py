"""`aegis bench`: every performance claim, measurable on the user's own box."""

"""What server and clients say to each other: messages, and the rounds in which they are sent."""

"""What pages have that NiceGUI has not: elements that fetch by themselves what they show."""

"""What is shipped beside the broker: demo, scripted client, certificates."""

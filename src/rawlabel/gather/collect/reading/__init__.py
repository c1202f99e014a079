"""What sources read replies, addresses, tables and phrases with."""

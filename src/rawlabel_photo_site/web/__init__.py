"""What is asked over HTTP, whatever the dialect: the server, its routes, its image host."""

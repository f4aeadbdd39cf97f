"""Models from elsewhere: folders with a file `MLmodel`, as MLflow writes them, turned into what is served here."""

"""The service under load, measured from outside: engine, venues and strategies in processes of their own."""

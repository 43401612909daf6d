"""The only room that talks to Redis or Valkey: the client, the keys, the scripts, our own server."""

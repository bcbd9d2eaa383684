"""What the sockets of browsers share, in both rooms: who gets in, who may stay, and pictures instead of queues."""

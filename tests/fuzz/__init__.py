"""What no input may do, tried at random: stop the decoder, or stop the fold."""

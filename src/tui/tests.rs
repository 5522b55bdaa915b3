//! What keys do, from the first press to the command that is sent.

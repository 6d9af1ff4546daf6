package wire

// sync ends a batch of the extended protocol.
func (c *conn) sync([]byte) error { return c.finish() }

// flush sends what is answered so far.
func (c *conn) flush([]byte) error { return c.out.flush() }

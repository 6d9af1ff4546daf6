package wire

import "github.com/jackc/pgx/v5/pgproto3"

// closeNamed answers Close; closing what does not exist is no error.
func (c *conn) closeNamed(body []byte) error {
	var m pgproto3.Close
	if m.Decode(body) != nil {
		return malformed("Close")
	}
	switch m.ObjectType {
	case 'S':
		c.session.CloseStatement(m.Name)
	case 'P':
		c.session.ClosePortal(m.Name)
	default:
		return malformed("Close")
	}
	c.out.send(&pgproto3.CloseComplete{})
	return nil
}

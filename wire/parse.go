package wire

import (
	"github.com/jackc/pgx/v5/pgproto3"
)

func (c *conn) parse(body []byte) error {
	var m pgproto3.Parse
	if m.Decode(body) != nil {
		return malformed("Parse")
	}
	m.Query = c.charset.decodeString(m.Query)
	if err := checkText(m.Query); err != nil {
		return err
	}
	ctx := c.begin()
	defer c.end()
	if err := c.session.Prepare(ctx, m.Name, m.Query, m.ParameterOIDs); err != nil {
		return err
	}
	c.sendNotices()
	c.out.send(&pgproto3.ParseComplete{})
	return nil
}

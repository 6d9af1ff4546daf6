package wire

import (
	"bytes"
	"context"
	"unicode/utf8"

	"weir/sqlerr"
)

// query answers a Query message: its statements one after another.
func (c *conn) query(body []byte) error {
	sql, err := oneString(c.charset.decode(body), "Query")
	if err != nil {
		return err
	}
	ctx := c.begin()
	defer c.end()
	script, err := c.session.Simple(ctx, sql)
	if err != nil {
		return err
	}
	for {
		p, err := script.Next(ctx)
		if err != nil {
			return err
		}
		if p == nil {
			break
		}
		c.sendNotices()
		if err := c.runSimple(ctx, p); err != nil {
			return err
		}
	}
	c.end()
	return c.finish()
}

func (c *conn) runSimple(ctx context.Context, p Portal) error {
	if cols := p.Columns(); cols != nil {
		c.sendColumns(cols)
	}
	return c.run(ctx, p, 0, false)
}

// oneString reads a body that is one string.
func oneString(body []byte, message string) (string, error) {
	i := bytes.IndexByte(body, 0)
	if i != len(body)-1 || i < 0 {
		return "", malformed(message)
	}
	sql := string(body[:i])
	return sql, checkText(sql)
}

// checkText refuses what is not UTF-8, the one encoding spoken here.
func checkText(s string) error {
	if utf8.ValidString(s) {
		return nil
	}
	for i, r := range s {
		if _, n := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && n == 1 {
			return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x%02x", s[i])
		}
	}
	return nil
}

package wire

import "github.com/jackc/pgx/v5/pgproto3"

func (c *conn) describe(body []byte) error {
	var m pgproto3.Describe
	if m.Decode(body) != nil {
		return malformed("Describe")
	}
	switch m.ObjectType {
	case 'S':
		return c.describeStatement(m.Name)
	case 'P':
		return c.describePortal(m.Name)
	}
	return malformed("Describe")
}

func (c *conn) describeStatement(name string) error {
	s, err := c.session.Statement(name)
	if err != nil {
		return err
	}
	columns := s.Columns()
	c.out.send(&pgproto3.ParameterDescription{ParameterOIDs: s.ParamOIDs()})
	c.sendResult(columns)
	return nil
}

func (c *conn) describePortal(name string) error {
	p, err := c.session.Portal(name)
	if err != nil {
		return err
	}
	c.sendResult(p.Columns())
	return nil
}

// sendResult describes a result; no columns are not the same as no rows.
func (c *conn) sendResult(columns []Column) {
	if columns == nil {
		c.out.send(&pgproto3.NoData{})
		return
	}
	c.sendColumns(columns)
}

func (c *conn) sendColumns(columns []Column) {
	m := pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(columns))}
	for i, col := range columns {
		m.Fields[i] = pgproto3.FieldDescription{
			Name: []byte(c.charset.text(col.Name)), TableOID: col.Table, TableAttributeNumber: uint16(col.Attr),
			DataTypeOID: col.Type, DataTypeSize: col.Len, TypeModifier: col.Mod, Format: col.Format,
		}
	}
	c.out.send(&m)
}

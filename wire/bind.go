package wire

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"weir/sqlerr"
)

func (c *conn) bind(body []byte) error {
	var m pgproto3.Bind
	if m.Decode(body) != nil {
		return malformed("Bind")
	}
	s, err := c.session.Statement(m.PreparedStatement)
	if err != nil {
		return err
	}
	args, err := bindArgs(&m, s)
	if err != nil {
		return err
	}
	c.charset.decodeArgs(&args, s.ParamOIDs())
	ctx := c.begin()
	defer c.end()
	if err := c.session.Bind(ctx, m.DestinationPortal, s, args); err != nil {
		return err
	}
	c.sendNotices()
	c.out.send(&pgproto3.BindComplete{})
	return nil
}

// bindArgs checks the counts and gives each value and column its format.
func bindArgs(m *pgproto3.Bind, s Statement) (Args, error) {
	values, want, columns := len(m.Parameters), len(s.ParamOIDs()), s.Columns()
	if n := len(m.ParameterFormatCodes); n > 1 && n != values {
		return Args{}, sqlerr.New(sqlerr.ProtocolViolation, "bind message has %d parameter formats but %d parameters", n, values)
	}
	if values != want {
		return Args{}, sqlerr.New(sqlerr.ProtocolViolation,
			"bind message supplies %d parameters, but prepared statement \"%s\" requires %d", values, m.PreparedStatement, want)
	}
	if n := len(m.ResultFormatCodes); n > 1 && n != len(columns) {
		return Args{}, sqlerr.New(sqlerr.ProtocolViolation, "bind message has %d result formats but query has %d columns", n, len(columns))
	}
	args := Args{Values: m.Parameters}
	var err error
	if args.ParamFormats, err = spread(m.ParameterFormatCodes, values); err != nil {
		return Args{}, err
	}
	args.ResultFormats, err = spread(m.ResultFormatCodes, len(columns))
	return args, err
}

// spread makes n formats of none, one or n codes.
func spread(codes []int16, n int) ([]int16, error) {
	for _, f := range codes {
		if f != Text && f != Binary {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "unsupported format code: %d", f)
		}
	}
	if len(codes) == n {
		return codes, nil
	}
	out := make([]int16, n)
	if len(codes) == 1 {
		for i := range out {
			out[i] = codes[0]
		}
	}
	return out, nil
}

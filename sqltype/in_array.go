package sqltype

import (
	"strconv"
	"strings"

	"weir/engine/value"
	"weir/sqlerr"
)

// maxArrayDims is how deep arrays nest, as in PostgreSQL.
const maxArrayDims = 6

// ParseArray is the input function of arrays: {1,2,{…}} with optional bounds
// in front, which are accepted when they begin at 1.
func ParseArray(s string, elem Type, e *Env) (value.Value, error) {
	p := arrayParser{s: strings.Trim(s, space), all: s, elem: elem, env: e}
	if err := p.bounds(); err != nil {
		return value.Value{}, err
	}
	if p.i >= len(p.s) || p.s[p.i] != '{' {
		return value.Value{}, p.bad("Array value must start with \"{\" or dimension information.")
	}
	v, err := p.list(1)
	if err != nil {
		return value.Value{}, err
	}
	p.skip()
	if p.i < len(p.s) {
		return value.Value{}, p.bad("Junk after closing right brace.")
	}
	if p.dims, _, err = arrayDims(v, elem, nil); err != nil {
		return value.Value{}, p.bad("Multidimensional arrays must have sub-arrays with matching dimensions.")
	}
	return v, nil
}

type arrayParser struct {
	s    string
	all  string
	i    int
	elem Type
	env  *Env
	dims []int32
}

func (p *arrayParser) bad(detail string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "malformed array literal: \"%s\"", p.all).WithDetail("%s", detail)
}

func (p *arrayParser) skip() {
	for p.i < len(p.s) && strings.IndexByte(space, p.s[p.i]) >= 0 {
		p.i++
	}
}

// bounds reads [1:3][1:2]=.
func (p *arrayParser) bounds() error {
	if !strings.HasPrefix(p.s, "[") {
		return nil
	}
	eq := strings.IndexByte(p.s, '=')
	if eq < 0 {
		return p.bad("Missing assignment operator.")
	}
	for _, b := range strings.Split(strings.Trim(p.s[:eq], " []"), "][") {
		lo, _, ok := strings.Cut(b, ":")
		if n, err := strconv.Atoi(lo); ok && (err != nil || n != 1) {
			return sqlerr.Unsupported(0, "Write the array without bounds.", "arrays that do not begin at 1 are not supported")
		}
	}
	p.i = eq + 1
	p.skip()
	return nil
}

func (p *arrayParser) list(depth int) (value.Value, error) {
	if depth > maxArrayDims {
		return value.Value{}, sqlerr.New(sqlerr.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", depth, maxArrayDims)
	}
	p.i++
	var b value.Builder
	if p.skip(); p.i < len(p.s) && p.s[p.i] == '}' {
		p.i++
		return b.ArrayOf(), nil
	}
	for {
		v, err := p.item(depth)
		if err != nil {
			return v, err
		}
		b.Item(v)
		p.skip()
		switch {
		case p.i >= len(p.s):
			return v, p.bad("Unexpected end of input.")
		case p.s[p.i] == ',':
			p.i++
		case p.s[p.i] == '}':
			p.i++
			return b.ArrayOf(), nil
		default:
			return v, p.bad("Unexpected array element.")
		}
	}
}

func (p *arrayParser) item(depth int) (value.Value, error) {
	p.skip()
	switch {
	case p.i >= len(p.s):
		return value.Value{}, p.bad("Unexpected end of input.")
	case p.s[p.i] == '{':
		return p.list(depth + 1)
	case p.s[p.i] == '}' || p.s[p.i] == ',':
		return value.Value{}, p.bad("Unexpected \"" + p.s[p.i:p.i+1] + "\" character.")
	}
	text, quoted, err := p.token()
	if err != nil {
		return value.Value{}, err
	}
	if !quoted && strings.EqualFold(text, "null") {
		return value.Null(), nil
	}
	return ParseText(text, p.elem, p.env)
}

func (p *arrayParser) token() (text string, quoted bool, err error) {
	var out []byte
	if p.s[p.i] == '"' {
		for p.i++; p.i < len(p.s) && p.s[p.i] != '"'; p.i++ {
			if p.s[p.i] == '\\' {
				p.i++
			}
			if p.i < len(p.s) {
				out = append(out, p.s[p.i])
			}
		}
		if p.i >= len(p.s) {
			return "", false, p.bad("Unexpected end of input.")
		}
		p.i++
		return string(out), true, nil
	}
	keep := 0 // length up to the last character that is no white space
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; c {
		case ',', '}':
			return string(out[:keep]), quoted, nil
		case '{', '"':
			return "", false, p.bad("Unexpected array element.")
		case '\\':
			p.i++
			if p.i < len(p.s) {
				out = append(out, p.s[p.i])
				keep, quoted = len(out), true
			}
		default:
			out = append(out, c)
			if strings.IndexByte(space, c) < 0 {
				keep = len(out)
			}
		}
	}
	return "", false, p.bad("Unexpected end of input.")
}

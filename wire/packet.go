package wire

import (
	"bytes"
	"encoding/binary"
	"strings"

	"weir/sqlerr"
)

// The codes that stand in place of a version in the first packet.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104

	newestMinor      = 2
	maxStartupPacket = 10_000
	minStartupPacket = 8
)

// packet is a first packet: its code, or version, and what follows.
type packet struct {
	code uint32
	body []byte
}

// readPacket reads a packet without type byte. A length out of range is
// garbage of another protocol and is answered by nothing but the end.
func (c *conn) readPacket() (packet, error) {
	head, err := c.in.peek(4)
	if err != nil {
		return packet{}, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < minStartupPacket || n > maxStartupPacket {
		return packet{}, errGarbage
	}
	b, err := c.in.next(int(n))
	if err != nil {
		return packet{}, err
	}
	return packet{code: binary.BigEndian.Uint32(b[4:8]), body: b[8:]}, nil
}

// startupParams are the key-value pairs of a startup packet, sorted out.
type startupParams struct {
	user, database, replication string
	settings                    []Parameter
	extensions                  []string // _pq_.* keys
}

// parseStartup splits "key\0value\0…\0".
func parseStartup(body []byte) (startupParams, error) {
	var p startupParams
	var options []Parameter
	for {
		key, rest, ok := cutString(body)
		if !ok {
			return p, layoutError()
		}
		if key == "" {
			break
		}
		value, rest, ok := cutString(rest)
		if !ok {
			return p, layoutError()
		}
		body = rest
		switch {
		case key == "user":
			p.user = value
		case key == "database":
			p.database = value
		case key == "replication":
			p.replication = value
		case key == "options":
			var err error
			if options, err = parseOptions(value); err != nil {
				return p, err
			}
		case strings.HasPrefix(key, "_pq_."):
			p.extensions = append(p.extensions, key)
		default:
			p.settings = append(p.settings, Parameter{key, value})
		}
	}
	p.settings = append(options, p.settings...)
	if p.database == "" {
		p.database = p.user
	}
	return p, nil
}

func layoutError() error {
	return sqlerr.New(sqlerr.ProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
}

func cutString(b []byte) (string, []byte, bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return "", nil, false
	}
	return string(b[:i]), b[i+1:], true
}

// parseOptions reads the command-line form: -c name=value, -cname=value or
// --name=value; a backslash keeps the next character, a dash in a long name
// stands for an underscore.
func parseOptions(s string) ([]Parameter, error) {
	words := splitOptions(s)
	var out []Parameter
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "-c" && i+1 < len(words):
			i++
			w = words[i]
		case strings.HasPrefix(w, "-c") && len(w) > 2:
			w = w[2:]
		case strings.HasPrefix(w, "--") && len(w) > 2:
			w = w[2:]
		default:
			return nil, sqlerr.New(sqlerr.SyntaxError, "invalid command-line argument for server process: %s", w).
				WithHint("Write options as -c name=value.")
		}
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return nil, sqlerr.New(sqlerr.SyntaxError, "-c %s requires a value", w)
		}
		out = append(out, Parameter{strings.ReplaceAll(name, "-", "_"), value})
	}
	return out, nil
}

func splitOptions(s string) []string {
	var words []string
	var word []byte
	in := false
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case ch == '\\' && i+1 < len(s):
			i++
			word, in = append(word, s[i]), true
		case ch == ' ' || ch >= '\t' && ch <= '\r':
			if in {
				words = append(words, string(word))
			}
			word, in = word[:0], false
		default:
			word, in = append(word, ch), true
		}
	}
	if in {
		words = append(words, string(word))
	}
	return words
}

package wire

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// serve starts a server on loopback and gives its address.
func serve(t testing.TB, h Handler, o Options) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- NewServer(h, o).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return l.Addr().String()
}

// client sends messages written as text and prints what comes back, in the
// legend of the recorded transcripts: R auth, S parameter, K key, Z ready, …
type client struct {
	nc net.Conn
	fe *pgproto3.Frontend
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { _ = nc.Close() })
	return &client{nc: nc, fe: pgproto3.NewFrontend(nc, nc)}
}

func startupPacket(version uint32, kv ...string) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), version)
	for _, s := range kv {
		b = append(append(b, s...), 0)
	}
	b = append(b, 0)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func connected(t testing.TB, addr string) *client {
	c := dial(t, addr)
	_, err := c.nc.Write(startupPacket(3<<16, "user", "u"))
	require.NoError(t, err)
	require.Contains(t, c.until("Z"), "ZI")
	return c
}

// until reads up to a message whose text begins with what, or the end.
func (c *client) until(what string) string {
	var out []string
	for {
		m, err := c.fe.Receive()
		if err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF || strings.Contains(err.Error(), "reset") {
				return strings.Join(append(out, "<EOF>"), " ")
			}
			return strings.Join(append(out, "<"+err.Error()+">"), " ")
		}
		text := show(m)
		if n := len(out); n > 0 && text == "D" && strings.HasPrefix(out[n-1], "D*") {
			k, _ := strconv.Atoi(out[n-1][2:])
			out[n-1] = fmt.Sprintf("D*%d", k+1)
			text = out[n-1]
		} else {
			if text == "D" {
				text = "D*1"
			}
			out = append(out, text)
		}
		if strings.HasPrefix(text, what) {
			return strings.Join(out, " ")
		}
	}
}

func show(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.AuthenticationOk:
		return "R"
	case *pgproto3.AuthenticationSASL:
		return "R(" + strings.Join(m.AuthMechanisms, ",") + ")"
	case *pgproto3.ParameterStatus:
		return "S:" + m.Name + "=" + m.Value
	case *pgproto3.BackendKeyData:
		return fmt.Sprintf("K(%d)", 4+len(m.SecretKey))
	case *pgproto3.NegotiateProtocolVersion:
		return fmt.Sprintf("v%08x%v", m.NewestMinorProtocol, m.UnrecognizedOptions)
	case *pgproto3.ReadyForQuery:
		return "Z" + string(m.TxStatus)
	case *pgproto3.RowDescription:
		var f []string
		for _, c := range m.Fields {
			f = append(f, fmt.Sprintf("%s:%d:%d", c.Name, c.DataTypeOID, c.Format))
		}
		return "T[" + strings.Join(f, ",") + "]"
	case *pgproto3.ParameterDescription:
		return strings.ReplaceAll(fmt.Sprintf("t%v", m.ParameterOIDs), " ", ",")
	case *pgproto3.NoData:
		return "n"
	case *pgproto3.DataRow:
		return "D"
	case *pgproto3.CommandComplete:
		return "C:" + string(m.CommandTag)
	case *pgproto3.EmptyQueryResponse:
		return "I"
	case *pgproto3.PortalSuspended:
		return "s"
	case *pgproto3.ParseComplete:
		return "1"
	case *pgproto3.BindComplete:
		return "2"
	case *pgproto3.CloseComplete:
		return "3"
	case *pgproto3.CopyInResponse:
		return "G"
	case *pgproto3.CopyOutResponse:
		return "H"
	case *pgproto3.CopyData:
		return fmt.Sprintf("d(%q)", m.Data)
	case *pgproto3.CopyDone:
		return "c"
	case *pgproto3.NotificationResponse:
		return fmt.Sprintf("A:%s=%s", m.Channel, m.Payload)
	case *pgproto3.ErrorResponse:
		return showError("E", m)
	case *pgproto3.NoticeResponse:
		return showError("N", (*pgproto3.ErrorResponse)(m))
	}
	return fmt.Sprintf("%T", m)
}

func showError(kind string, m *pgproto3.ErrorResponse) string {
	s := fmt.Sprintf("%s:%s %s %s", kind, m.Severity, m.Code, m.Message)
	if m.Hint != "" {
		s += " H=" + m.Hint
	}
	if m.Position != 0 {
		s += fmt.Sprintf(" P=%d", m.Position)
	}
	return s
}

// send writes its lines at once, as drivers do: what the server knows of the
// messages behind the one it handles must not hang on how fast they come.
func (c *client) send(t *testing.T, lines string) {
	var b []byte
	for line := range strings.SplitSeq(lines, "\n") {
		b = append(b, encode(t, line)...)
	}
	_, err := c.nc.Write(b)
	require.NoError(t, err)
}

// encode makes a message of a line such as "Q rows 2", "P s1 rows 2",
// "B p1 s1 x", "E p1 2". "-" stands for an empty name.
func encode(t *testing.T, line string) []byte {
	f := strings.Fields(line)
	name := func(i int) string {
		if i >= len(f) || f[i] == "-" {
			return ""
		}
		return f[i]
	}
	var m pgproto3.FrontendMessage
	switch f[0] {
	case "Q":
		m = &pgproto3.Query{String: strings.TrimPrefix(strings.TrimPrefix(line, "Q"), " ")}
	case "P":
		m = &pgproto3.Parse{Name: name(1), Query: strings.Join(f[2:], " ")}
	case "B":
		bind := &pgproto3.Bind{DestinationPortal: name(1), PreparedStatement: name(2)}
		for _, a := range f[3:] {
			if fm, ok := strings.CutPrefix(a, "rf="); ok {
				for _, x := range strings.Split(fm, ",") {
					n, _ := strconv.Atoi(x)
					bind.ResultFormatCodes = append(bind.ResultFormatCodes, int16(n))
				}
				continue
			}
			bind.Parameters = append(bind.Parameters, []byte(a))
		}
		m = bind
	case "D":
		m = &pgproto3.Describe{ObjectType: f[1][0], Name: name(2)}
	case "E":
		n := 0
		if len(f) > 2 {
			n, _ = strconv.Atoi(f[2])
		}
		m = &pgproto3.Execute{Portal: name(1), MaxRows: uint32(n)}
	case "C":
		m = &pgproto3.Close{ObjectType: f[1][0], Name: name(2)}
	case "S":
		m = &pgproto3.Sync{}
	case "H":
		m = &pgproto3.Flush{}
	case "F":
		m = &pgproto3.FunctionCall{Function: 1}
	case "d":
		m = &pgproto3.CopyData{Data: []byte(strings.TrimPrefix(line, "d ") + "\n")}
	case "c":
		m = &pgproto3.CopyDone{}
	case "f":
		m = &pgproto3.CopyFail{Message: strings.TrimPrefix(line, "f ")}
	case "X":
		m = &pgproto3.Terminate{}
	case "raw":
		return []byte(strings.NewReplacer(`\0`, "\x00", `\4`, "\x04", `\xff`, "\xff").Replace(strings.TrimPrefix(line, "raw ")))
	default:
		require.Fail(t, "what is "+line)
	}
	b, err := m.Encode(nil)
	require.NoError(t, err)
	return b
}

// TestTrace replays testdata/*: "startup" opens a connection with the given
// version and parameters, "send" sends its lines and prints what comes until
// the message named by until (Z if not given).
func TestTrace(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		addr := serve(t, &fakeHandler{}, Options{})
		var c *client
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "startup":
				c = dial(t, addr)
				version := "3.0"
				d.MaybeScanArgs(t, "version", &version)
				var major, minor uint32
				_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
				require.NoError(t, err)
				var kv []string
				for line := range strings.SplitSeq(d.Input, "\n") {
					if k, v, ok := strings.Cut(line, " "); ok {
						kv = append(kv, k, v)
					}
				}
				_, err = c.nc.Write(startupPacket(major<<16|minor, kv...))
				require.NoError(t, err)
			case "more":
			case "dial":
				c = dial(t, addr)
				return ""
			case "send":
				c.send(t, d.Input)
			}
			until := "Z"
			d.MaybeScanArgs(t, "until", &until)
			return c.until(until) + "\n"
		})
	})
}

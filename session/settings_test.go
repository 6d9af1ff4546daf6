package session

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"weir/sqlerr"
)

// TestSettings runs testdata/settings: lines of set, local, reset, start,
// commit, rollback and show, each answered by a value or an error.
func TestSettings(t *testing.T) {
	datadriven.RunTest(t, "testdata/settings", func(t *testing.T, d *datadriven.TestData) string {
		s := newSettings(newParameters(map[string]string{"server_version": "15.0 (Weir test)"}))
		var out strings.Builder
		for line := range strings.SplitSeq(d.Input, "\n") {
			verb, rest, _ := strings.Cut(line, " ")
			name, value, _ := strings.Cut(rest, " ")
			var err error
			switch verb {
			case "set", "local":
				err = s.set(name, value, verb == "local")
			case "start":
				err = s.start(name, value)
			case "reset":
				err = s.unset(name, false)
			case "resetall":
				s.unsetAll()
			case "commit":
				s.commit()
			case "rollback":
				s.rollback(0)
			case "reports":
				for _, p := range s.reports() {
					out.WriteString("S:" + p.Name + "=" + p.Value + "\n")
				}
				continue
			}
			if err != nil {
				e := sqlerr.As(err)
				out.WriteString(line + ": " + e.Code + " " + e.Message + "\n")
				if e.Hint != "" {
					out.WriteString("  hint: " + e.Hint + "\n")
				}
				continue
			}
			if name != "" {
				v, ok := s.get(name)
				if !ok {
					v = "<none>"
				}
				out.WriteString(line + ": " + v + "\n")
			}
		}
		return out.String()
	})
}

func TestEveryDefaultIsCanonical(t *testing.T) {
	for _, g := range newParameters(nil).sorted() {
		if g.def == "" || g.name == "data_directory_mode" || g.name == "log_file_mode" || g.name == "unix_socket_permissions" {
			continue
		}
		v, err := g.canonical(g.def)
		require.NoError(t, err, g.name)
		require.Equal(t, g.def, v, g.name)
	}
}

func TestSplitNames(t *testing.T) {
	require.Equal(t, []string{"$user", "public", "my, s"}, splitNames(`"$user", Public , "my, s"`))
	require.Empty(t, splitNames(""))
	require.Equal(t, []string{"a", `b"c`}, splitDotted(`A."b""c"`))
}

func TestZones(t *testing.T) {
	for value, want := range map[string]string{
		"utc": "UTC", "america/new_york": "America/New_York", "-8": "<-08>+08", "5.5": "<+05:30>-05:30",
		"+02:00": "<+02>-02", "<+02>-02": "<+02>-02", "Europe/Berlin": "Europe/Berlin",
	} {
		_, name, ok := loadZone(value)
		require.True(t, ok, value)
		require.Equal(t, want, name)
	}
	for _, value := range []string{"Nope", "", "+x", "local"} {
		_, _, ok := loadZone(value)
		require.False(t, ok, value)
	}
	loc, _, _ := loadZone("<+02>-02")
	require.Contains(t, loc.String(), "+02")
}

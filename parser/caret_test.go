package parser

import (
	"fmt"
	"strings"

	"weir/sqlerr"
)

// caret shows an error the way psql does: its words, the line and a caret.
func caret(sql string, err error) string {
	e := sqlerr.As(err)
	var b strings.Builder
	fmt.Fprintf(&b, "ERROR %s: %s\n", e.Code, e.Message)
	if e.Position > 0 {
		runes := []rune(sql)
		at := min(e.Position-1, len(runes))
		start, line := 0, 1
		for i, r := range runes[:at] {
			if r == '\n' {
				start, line = i+1, line+1
			}
		}
		end := at
		for end < len(runes) && runes[end] != '\n' {
			end++
		}
		label := fmt.Sprintf("LINE %d: ", line)
		fmt.Fprintf(&b, "%s%s\n%s^\n", label, string(runes[start:end]), strings.Repeat(" ", len(label)+at-start))
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "HINT: %s\n", e.Hint)
	}
	return b.String()
}

package session

import (
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

func (s *Session) setParameter(stmt *ast.Set) (string, error) {
	if stmt.Local && s.tx.status == 'I' {
		s.warn(sqlerr.NoActiveSQLTransaction, "SET LOCAL can only be used in transaction blocks")
	}
	if stmt.Current {
		return "SET", nil
	}
	if stmt.Values == nil {
		return "SET", s.set.unset(stmt.Name, stmt.Local)
	}
	v, err := settingText(stmt)
	if err != nil {
		return "", err
	}
	return "SET", s.change(stmt.Name, v, stmt.Local)
}

// change sets a parameter and heeds those that are more than a value.
func (s *Session) change(name, v string, local bool) error {
	switch low := settingName(name); low {
	case "session_authorization", "role":
		if low == "role" && strings.EqualFold(v, "none") {
			return s.set.unset(low, local)
		}
		if v != s.start.User && !strings.EqualFold(v, "default") {
			return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied to set %s \"%s\"", strings.ReplaceAll(low, "_", " "), v).
				WithHint("Connect as that user.")
		}
		return nil
	case "transaction_isolation":
		_, err := s.setTransaction(&ast.SetTransaction{Modes: ast.TransactionModes{Isolation: strings.ToLower(v)}})
		return err
	case "transaction_read_only":
		on, ok := parseBool(v)
		if !ok {
			return sqlerr.New(sqlerr.InvalidParameterValue, "parameter \"transaction_read_only\" requires a Boolean value")
		}
		_, err := s.setTransaction(&ast.SetTransaction{Modes: ast.TransactionModes{ReadOnly: &on}})
		return err
	}
	return s.set.set(name, v, local)
}

// settingText makes the value of a SET: a list becomes names with commas, quoted
// where they need it.
func settingText(stmt *ast.Set) (string, error) {
	list := strings.EqualFold(stmt.Name, "search_path")
	var parts []string
	for _, e := range stmt.Values {
		text, err := literalText(e)
		if err != nil {
			return "", err
		}
		if list {
			text = quoteIdent(text)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", "), nil
}

// literalText is the text of a literal, a bare word or a signed number.
func literalText(e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.StringLiteral:
		return e.Value, nil
	case *ast.NumberLiteral:
		return e.Text, nil
	case *ast.BoolLiteral:
		if e.Value {
			return "true", nil
		}
		return "false", nil
	case *ast.ColumnRef:
		names := make([]string, len(e.Parts))
		for i, p := range e.Parts {
			names[i] = p.Name
		}
		return strings.Join(names, "."), nil
	case *ast.UnaryExpr:
		text, err := literalText(e.Operand)
		return e.Op.Symbol + text, err
	case *ast.TypedLiteral:
		return intervalZone(e.Value), nil
	case *ast.Default:
		return "default", nil
	}
	return "", sqlerr.New(sqlerr.SyntaxError, "SET takes constants only").At(e.Pos())
}

// intervalZone reads SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE.
func intervalZone(text string) string {
	if seconds, ok := parseOffset(strings.TrimSpace(text)); ok {
		return zoneName(seconds)
	}
	return text
}

// quoteIdent quotes a name where SQL would need it.
func quoteIdent(s string) string {
	plain := s != ""
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			plain = false
		}
	}
	if plain {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// splitNames reads a list of names as search_path holds it, never nil.
func splitNames(s string) []string {
	out := []string{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		var name string
		if s[0] == '"' {
			end := 1
			for end < len(s) {
				if s[end] == '"' {
					if end+1 < len(s) && s[end+1] == '"' {
						end++
						name += `"`
						end++
						continue
					}
					break
				}
				name += s[end : end+1]
				end++
			}
			s = s[min(end+1, len(s)):]
		} else {
			end := strings.IndexByte(s, ',')
			if end < 0 {
				end = len(s)
			}
			name = strings.ToLower(strings.TrimSpace(s[:end]))
			s = s[end:]
		}
		out = append(out, name)
		s = strings.TrimPrefix(strings.TrimSpace(s), ",")
	}
	return out
}

func (s *Session) resetParameter(stmt *ast.Reset) (string, error) {
	if strings.EqualFold(stmt.Name, "all") {
		s.set.unsetAll()
		return "RESET", nil
	}
	return "RESET", s.set.unset(stmt.Name, false)
}

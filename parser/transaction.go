package parser

import "weir/parser/ast"

// begin reads BEGIN [WORK | TRANSACTION] [mode, …] | START TRANSACTION [mode, …]
func (p *Parser) begin() ast.Statement {
	t := p.next()
	s := &ast.Begin{Start: t.name == "start"}
	if s.Start {
		p.expect("transaction")
	} else {
		p.acceptAny("work", "transaction")
	}
	s.Modes = p.transactionModes(false)
	s.Stmt = p.stmt(t)
	return s
}

// transactionModes reads mode [[,] mode …]
func (p *Parser) transactionModes(needed bool) ast.TransactionModes {
	m := ast.TransactionModes{}
	for first := true; ; first = false {
		comma := !first && p.acceptOp(",")
		if !p.transactionMode(&m) {
			if comma || first && needed {
				p.fail()
			}
			return m
		}
	}
}

func (p *Parser) transactionMode(m *ast.TransactionModes) bool {
	yes, no := true, false
	switch p.acceptAny("isolation", "read", "deferrable", "not") {
	case "isolation":
		p.expect("level")
		m.Isolation = p.isolation()
	case "read":
		m.ReadOnly = &no
		if p.expectAny("only", "write") == "only" {
			m.ReadOnly = &yes
		}
	case "deferrable":
		m.Deferrable = &yes
	case "not":
		p.expect("deferrable")
		m.Deferrable = &no
	default:
		return false
	}
	return true
}

func (p *Parser) isolation() string {
	switch p.expectAny("read", "repeatable", "serializable") {
	case "read":
		return "read " + p.expectAny("committed", "uncommitted")
	case "repeatable":
		p.expect("read")
		return "repeatable read"
	}
	return "serializable"
}

// commit reads COMMIT | END [WORK | TRANSACTION] [AND [NO] CHAIN] | COMMIT PREPARED 'id'
func (p *Parser) commit() ast.Statement {
	t := p.next()
	if t.name == "commit" && p.accept("prepared") {
		return p.prepared(t, "COMMIT PREPARED")
	}
	p.acceptAny("work", "transaction")
	return &ast.Commit{Chain: p.chain(), Stmt: p.stmt(t)}
}

func (p *Parser) prepared(t *token, command string) ast.Statement {
	return &ast.PrepareTransaction{Command: command, ID: p.str(), Stmt: p.stmt(t)}
}

// chain reads [AND [NO] CHAIN]
func (p *Parser) chain() bool {
	if !p.accept("and") {
		return false
	}
	no := p.accept("no")
	p.expect("chain")
	return !no
}

// rollback reads ROLLBACK | ABORT [WORK | TRANSACTION] [TO [SAVEPOINT] name | AND [NO] CHAIN] | ROLLBACK PREPARED 'id'
func (p *Parser) rollback() ast.Statement {
	t := p.next()
	if t.name == "rollback" && p.accept("prepared") {
		return p.prepared(t, "ROLLBACK PREPARED")
	}
	p.acceptAny("work", "transaction")
	if t.name == "rollback" && p.accept("to") {
		return &ast.RollbackTo{Name: p.savepointName(), Stmt: p.stmt(t)}
	}
	return &ast.Rollback{Chain: p.chain(), Stmt: p.stmt(t)}
}

// savepointName reads [SAVEPOINT] name
func (p *Parser) savepointName() ast.Ident {
	if p.at("savepoint") && p.peek(1).isColID() {
		p.next()
	}
	return p.colID()
}

func (p *Parser) savepoint() ast.Statement {
	t := p.next()
	return &ast.Savepoint{Name: p.colID(), Stmt: p.stmt(t)}
}

func (p *Parser) release() ast.Statement {
	t := p.next()
	return &ast.Release{Name: p.savepointName(), Stmt: p.stmt(t)}
}

// lock reads LOCK [TABLE] table, … [IN mode MODE] [NOWAIT]
func (p *Parser) lock() ast.Statement {
	t := p.next()
	p.accept("table")
	s := &ast.LockTable{Tables: p.relations()}
	if p.accept("in") {
		s.Mode = p.lockMode()
	}
	s.NoWait = p.accept("nowait")
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) lockMode() string {
	mode := ""
	switch p.expectAny("access", "row", "share", "exclusive") {
	case "access":
		mode = "ACCESS " + upper(p.expectAny("share", "exclusive"))
	case "row":
		mode = "ROW " + upper(p.expectAny("share", "exclusive"))
	case "exclusive":
		mode = "EXCLUSIVE"
	default:
		mode = "SHARE"
		switch {
		case p.accept("update"):
			p.expect("exclusive")
			mode = "SHARE UPDATE EXCLUSIVE"
		case p.accept("row"):
			p.expect("exclusive")
			mode = "SHARE ROW EXCLUSIVE"
		}
	}
	p.expect("mode")
	return mode
}

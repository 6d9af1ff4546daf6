package ast

func (p *printer) transaction(n Node) bool {
	switch n := n.(type) {
	case *Begin:
		p.s(map[bool]string{true: "START TRANSACTION", false: "BEGIN"}[n.Start])
		p.modes(n.Modes)
	case *Commit:
		p.s("COMMIT", ifWords(n.Chain, " AND CHAIN"))
	case *Rollback:
		p.s("ROLLBACK", ifWords(n.Chain, " AND CHAIN"))
	case *Savepoint:
		p.optID("SAVEPOINT ", n.Name)
	case *Release:
		p.optID("RELEASE SAVEPOINT ", n.Name)
	case *RollbackTo:
		p.optID("ROLLBACK TO SAVEPOINT ", n.Name)
	case *SetTransaction:
		p.s("SET ", ifWords(n.Session, "SESSION CHARACTERISTICS AS "), "TRANSACTION")
		if n.Snapshot != "" {
			p.s(" SNAPSHOT ")
			p.str(n.Snapshot)
		}
		p.modes(n.Modes)
	case *PrepareTransaction:
		p.s(n.Command, " ")
		p.str(n.ID)
	case *LockTable:
		p.s("LOCK TABLE ")
		nodes(p, n.Tables)
		p.opt(n.Mode != "", " IN "+n.Mode+" MODE")
		p.opt(n.NoWait, " NOWAIT")
	case *SetConstraints:
		p.s("SET CONSTRAINTS ", ifWords(n.Names == nil, "ALL"))
		p.names(n.Names)
		p.s(map[bool]string{true: " DEFERRED", false: " IMMEDIATE"}[n.Deferred])
	default:
		return false
	}
	return true
}

func (p *printer) modes(m TransactionModes) {
	p.opt(m.Isolation != "", " ISOLATION LEVEL "+upperWords(m.Isolation))
	if m.ReadOnly != nil {
		p.s(map[bool]string{true: " READ ONLY", false: " READ WRITE"}[*m.ReadOnly])
	}
	if m.Deferrable != nil {
		p.s(map[bool]string{true: " DEFERRABLE", false: " NOT DEFERRABLE"}[*m.Deferrable])
	}
}

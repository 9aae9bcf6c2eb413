package main

func (b *bench) small()           {}
func (b *bench) catchUp()         {}
func (b *bench) scale(s settings) {}

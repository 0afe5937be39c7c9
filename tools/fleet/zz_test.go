package fleet_test
import ("testing";"fmt";"sort";"muster/tools/fleet")
func TestZZ(t *testing.T){
 s:=map[string][]int{}; tot,c:=0,0
 for n:=range 3000 { m:=fleet.Random(7,n,start); l:=len(m.Report("0193593aa1b27c3d8e4f5a6b7c8d9e0f",start)); k:=m.OS.Name+" "+m.HostName[:6]; s[k]=append(s[k],l); if m.HardwareID!="" {tot+=l;c++} }
 var ks []string; for k:=range s {ks=append(ks,k)}; sort.Strings(ks)
 for _,k:=range ks { sort.Ints(s[k]); x:=0; for _,v:=range s[k]{x+=v}; fmt.Println(k,len(s[k]),s[k][0],x/len(s[k]),s[k][len(s[k])-1]) }
 fmt.Println("mean computers",tot/c)
}

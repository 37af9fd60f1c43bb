#!/bin/bash
# A Ganeti cluster of $2 virtual nodes below the folder $1; vm1 to vm$3 have addresses. It is run as the first process of namespaces of its own (network, mounts,
# processes, host name), and ends with all daemons and guests when its standard input ends.
set -euo pipefail
dir=$1
nodes=$2
instances=$3
net=192.0.2
export PATH=$dir/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount --make-rprivate /
ip link set lo up
for i in $(seq "$nodes"); do ip addr add "$net.$((9 + i))/32" dev lo; done
ip route add "$net.0/24" dev lo
{
  echo '127.0.0.1 localhost'
  echo "$net.1 cluster"
  for i in $(seq "$nodes"); do echo "$net.$((9 + i)) node$i"; done
  for i in $(seq "$instances"); do echo "$net.$((99 + i)) vm$i"; done
} >"$dir/hosts.txt"
mount --bind "$dir/hosts.txt" /etc/hosts

# An operating system that installs nothing, and waits with that while there is a pipe "install".
mount -t tmpfs none /srv
os=/srv/ganeti/os/none
mkdir -p $os
echo 20 >$os/ganeti_api_version
echo default >$os/variants.list
: >$os/parameters.list
for script in create import export rename verify; do
  printf '#!/bin/sh\n' >$os/$script
  chmod 755 $os/$script
done
printf '[ ! -p %s/install ] || cat %s/install\n' "$dir" "$dir" >>$os/create

# Allocators: hail, and what the test has put there.
cp -L /usr/lib/ganeti/iallocators/hail "$dir/iallocators/hail"
mount --bind "$dir/iallocators" /usr/lib/ganeti/iallocators

# To another node is to the same machine.
mkdir "$dir/bin"
cat >"$dir/bin/ssh" <<'STUB'
#!/bin/bash
while [[ $1 == -* ]]; do shift; done
shift
exec bash -c "$*"
STUB
chmod 755 "$dir/bin/ssh"
socat TCP-LISTEN:22,fork,reuseaddr EXEC:true &

/usr/lib/ganeti/tools/vcluster-setup -E -N -c "$nodes" "$dir"
cd "$dir"
node1/cmd gnt-cluster init --no-etc-hosts --no-ssh-init --master-netdev=lo \
  --enabled-disk-templates=diskless --enabled-hypervisors=kvm --nic-parameters mode=routed,link=main \
  --hypervisor-parameters kvm:kvm_flag=disabled,kernel_path=,serial_console=false \
  --ipolicy-vcpu-ratio=64 --ipolicy-spindle-ratio=64 \
  --ipolicy-bounds-specs=min:disk-size=0,cpu-count=1,disk-count=0,memory-size=1,nic-count=0,spindle-use=0/max:disk-size=1048576,cpu-count=64,disk-count=16,memory-size=32768,nic-count=8,spindle-use=12 \
  cluster
printf 'homenode secret write\nreader secret read\n' >node1/var/lib/ganeti/rapi/users
for i in $(seq 2 "$nodes"); do node1/cmd gnt-node add --no-ssh-key-check "node$i"; done
openssl x509 -in node1/var/lib/ganeti/rapi.pem -out "$dir/rapi.pem"
echo ready
cat

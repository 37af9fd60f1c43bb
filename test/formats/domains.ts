/** Domains as several programs write them, in words of our own. */

/** As an administrator keeps one: with comments, single and double quotes, parts of the tuning. */
export const BY_HAND = `<?xml version="1.0"?>
<!-- the database; ask before you touch it -->
<domain type='kvm' xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
   <name>db</name>
   <title><![CDATA[<orders> & "more"]]></title>
   <memory unit="GiB">1</memory>
   <!-- tuned in spring -->
   <memoryBacking>
      <nosharepages/>
      <hugepages/>  <!-- default size -->
   </memoryBacking>
   <vcpu placement = 'auto'   current="2" cpuset='0-7'>4</vcpu>
   <cputune>
      <shares>2048</shares>
      <vcpupin vcpu="1" cpuset="9"/>  <!-- a guess -->
      <vcpupin vcpu="7" cpuset="9"/>
      <emulatorpin   cpuset='3'  />
      <vcpusched vcpus="0-1" scheduler="fifo" priority="1"/>
   </cputune>
   <numatune><memory mode="strict" placement="auto"/></numatune>
   <os><type arch="x86_64" machine="pc">hvm</type></os>
   <cpu mode="host-model" check="partial">
      <topology sockets="2" dies="1" cores="2" threads="1"/>
      <numa>
         <cell id="1" cpus="2-3" memory="512" unit="MiB" memAccess="shared"/>
         <cell id="0" cpus="0-1" memory="512" unit="MiB" memAccess="shared"><!-- first --></cell>
      </numa>
   </cpu>
   <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
   <qemu:commandline><qemu:arg value='-no-hpet'/></qemu:commandline>
</domain>
<!-- end -->
`

/** As virt-install and virt-manager leave one: nothing is tuned. */
export const UNTUNED = `<domain type="kvm">
  <name>web</name>
  <uuid>8f0f2a9c-6f3e-4c4e-9a53-0d5c1a6b7e21</uuid>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory>4194304</memory>
  <currentMemory>4194304</currentMemory>
  <vcpu>4</vcpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
    <boot dev="hd"/>
  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
  <cpu mode="host-passthrough"/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <memballoon model="virtio"/>
  </devices>
</domain>
`

/** As OpenStack's Nova makes one with dedicated CPUs, two guest nodes and huge pages. */
export const NOVA = `<domain type='kvm' id='7'>
  <name>instance-0000002a</name>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>billing &amp; co</nova:name>
      <nova:flavor name="m1.numa"><nova:memory>8192</nova:memory><nova:vcpus>4</nova:vcpus></nova:flavor>
    </nova:instance>
  </metadata>
  <memory unit='KiB'>8388608</memory>
  <currentMemory unit='KiB'>8388608</currentMemory>
  <memoryBacking>
    <hugepages>
      <page size='1048576' unit='KiB' nodeset='0'/>
      <page size='1048576' unit='KiB' nodeset='1'/>
    </hugepages>
    <nosharepages/>
  </memoryBacking>
  <vcpu placement='static'>4</vcpu>
  <cputune>
    <shares>4096</shares>
    <vcpupin vcpu='0' cpuset='2'/>
    <vcpupin vcpu='1' cpuset='18'/>
    <vcpupin vcpu='2' cpuset='10'/>
    <vcpupin vcpu='3' cpuset='26'/>
    <emulatorpin cpuset='2,10,18,26'/>
  </cputune>
  <numatune>
    <memory mode='strict' nodeset='0-1'/>
    <memnode cellid='0' mode='strict' nodeset='0'/>
    <memnode cellid='1' mode='strict' nodeset='1'/>
  </numatune>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os>
  <cpu mode='custom' match='exact'>
    <model fallback='forbid'>Skylake-Server</model>
    <topology sockets='2' cores='1' threads='2'/>
    <numa>
      <cell id='0' cpus='0-1' memory='4194304' unit='KiB' memAccess='shared'/>
      <cell id='1' cpus='2-3' memory='4194304' unit='KiB' memAccess='shared'/>
    </numa>
  </cpu>
  <devices/>
</domain>
`

/** As KubeVirt makes one with dedicated CPUs and an emulator thread of its own. */
export const KUBEVIRT = `<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
	<name>shop_cart-7</name>
	<memory unit="b">2147483648</memory>
	<os><type arch="x86_64" machine="q35">hvm</type></os>
	<metadata><kubevirt xmlns="http://kubevirt.io"><uid>1</uid><vcpu>99</vcpu></kubevirt></metadata>
	<memoryBacking><hugepages><page size="2" unit="M"/></hugepages></memoryBacking>
	<iothreads>1</iothreads>
	<vcpu placement="static">3</vcpu>
	<cputune>
		<vcpupin vcpu="0" cpuset="4"></vcpupin>
		<vcpupin vcpu="1" cpuset="5"></vcpupin>
		<vcpupin vcpu="2" cpuset="6"></vcpupin>
		<emulatorpin cpuset="7"></emulatorpin>
		<iothreadpin iothread="1" cpuset="8"></iothreadpin>
	</cputune>
	<cpu mode="host-passthrough"><topology sockets="1" cores="3" threads="1"/></cpu>
	<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
</domain>`
